-- After `npm run db:reset` of a development database: whatever the reset took along that migrations expect.
grant connect on database :DATABASE_NAME to public;
